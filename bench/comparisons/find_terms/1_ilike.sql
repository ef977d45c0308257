-- one ILIKE a term
SELECT id, name, description, importance FROM parlant.parlant_term
WHERE workspace_id = 'acme' AND agent_id = '00000000-0000-4000-8000-000000000001' AND 'I have ordered product 17, product 4242 and three pieces of article 9876 last week, and would like to know when they leave your house, since my neighbours, who bought product 5 and product 77 on the same day, have theirs already. If product 3000 should be sold out by now, please send product 3001 instead of it.' ILIKE '%' || name || '%';
