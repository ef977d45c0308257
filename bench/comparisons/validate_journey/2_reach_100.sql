-- a recursive query for unreachable states, 100 states
-- counts: 100 states
WITH RECURSIVE reachable AS (
    SELECT id FROM parlant.parlant_journey_state
    WHERE workspace_id = 'acme' AND journey_id = (SELECT id FROM journey WHERE states = 100) AND is_initial
    UNION
    SELECT transition.to_state_id FROM reachable JOIN parlant.parlant_journey_transition AS transition
        ON transition.workspace_id = 'acme' AND transition.journey_id = (SELECT id FROM journey WHERE states = 100)
       AND transition.from_state_id = reachable.id
)
SELECT name FROM parlant.parlant_journey_state
WHERE workspace_id = 'acme' AND journey_id = (SELECT id FROM journey WHERE states = 100) AND id NOT IN (SELECT id FROM reachable);
