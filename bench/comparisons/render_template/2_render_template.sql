-- render_template
-- counts: 1000 calls
SELECT sum(length(parlant.render_template(form, document))) FROM form, document;
