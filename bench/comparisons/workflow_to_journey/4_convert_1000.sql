-- workflow_to_journey, 1000 blocks
-- counts: 1000 blocks
SELECT parlant.workflow_to_journey(document) IS NOT NULL FROM workflow WHERE blocks = 1000;
