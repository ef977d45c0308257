-- workflow_to_journey, 10000 blocks
-- counts: 10000 blocks
SELECT parlant.workflow_to_journey(document) IS NOT NULL FROM workflow WHERE blocks = 10000;
