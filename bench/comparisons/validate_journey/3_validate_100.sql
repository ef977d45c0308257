-- validate_journey, 100 states
-- counts: 100 states
SELECT * FROM parlant.validate_journey((SELECT id FROM journey WHERE states = 100));
