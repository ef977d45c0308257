-- a copy of the table without the trail
UPDATE unaudited_guideline SET priority = priority % 1000 + 1;
