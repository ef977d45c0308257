-- workflow_to_journey, 100 blocks
-- counts: 100 blocks
SELECT parlant.workflow_to_journey(document) IS NOT NULL FROM workflow WHERE blocks = 100;
