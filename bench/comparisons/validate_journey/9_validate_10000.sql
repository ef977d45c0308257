-- validate_journey, 10000 states
-- counts: 10000 states
SELECT * FROM parlant.validate_journey((SELECT id FROM journey WHERE states = 10000));
