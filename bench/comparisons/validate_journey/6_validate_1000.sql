-- validate_journey, 1000 states
-- counts: 1000 states
SELECT * FROM parlant.validate_journey((SELECT id FROM journey WHERE states = 1000));
