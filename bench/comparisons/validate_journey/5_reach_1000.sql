-- a recursive query for unreachable states, 1000 states
-- counts: 1000 states
WITH RECURSIVE reachable AS (
    SELECT id FROM parlant.parlant_journey_state
    WHERE workspace_id = 'acme' AND journey_id = (SELECT id FROM journey WHERE states = 1000) AND is_initial
    UNION
    SELECT transition.to_state_id FROM reachable JOIN parlant.parlant_journey_transition AS transition
        ON transition.workspace_id = 'acme' AND transition.journey_id = (SELECT id FROM journey WHERE states = 1000)
       AND transition.from_state_id = reachable.id
)
SELECT name FROM parlant.parlant_journey_state
WHERE workspace_id = 'acme' AND journey_id = (SELECT id FROM journey WHERE states = 1000) AND id NOT IN (SELECT id FROM reachable);
