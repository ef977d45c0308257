-- parlant_guideline
UPDATE parlant.parlant_guideline SET priority = priority % 1000 + 1;
