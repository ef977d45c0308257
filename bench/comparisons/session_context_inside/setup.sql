\ir ../../setup/behaviour.sql

CREATE FUNCTION plain_queries(session uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    it parlant.parlant_session;
    messages text;
BEGIN
    SELECT * INTO it FROM parlant.parlant_session WHERE id = session;
    PERFORM * FROM parlant.parlant_agent WHERE id = it.agent_id;
    PERFORM * FROM parlant.parlant_journey WHERE id = it.current_journey_id;
    PERFORM * FROM parlant.parlant_journey_state WHERE id = it.current_state_id;
    PERFORM * FROM parlant.parlant_journey_transition AS transition
    JOIN parlant.parlant_journey_state AS state ON state.workspace_id = transition.workspace_id
        AND state.journey_id = transition.journey_id AND state.id = transition.to_state_id
    WHERE transition.workspace_id = it.workspace_id AND transition.journey_id = it.current_journey_id
      AND transition.from_state_id = it.current_state_id ORDER BY transition.priority DESC;
    PERFORM guideline.id, guideline.condition, guideline.action, guideline.priority, guideline.tool_ids
    FROM parlant.parlant_guideline AS guideline
    LEFT JOIN parlant.parlant_journey_guideline AS link ON link.workspace_id = guideline.workspace_id
        AND link.guideline_id = guideline.id AND link.journey_id = it.current_journey_id
    WHERE guideline.workspace_id = it.workspace_id AND guideline.agent_id = it.agent_id AND guideline.enabled
    ORDER BY guideline.priority DESC;
    PERFORM tool.* FROM parlant.parlant_agent_tool AS assignment
    JOIN parlant.parlant_tool AS tool ON tool.workspace_id = assignment.workspace_id AND tool.id = assignment.tool_id
    WHERE assignment.workspace_id = it.workspace_id AND assignment.agent_id = it.agent_id AND tool.enabled
    ORDER BY assignment.priority DESC;
    PERFORM key, value FROM parlant.parlant_variable
    WHERE workspace_id = it.workspace_id AND agent_id = it.agent_id AND (session_id IS NULL OR session_id = session);
    PERFORM * FROM parlant.parlant_event
    WHERE workspace_id = it.workspace_id AND session_id = session ORDER BY "offset" DESC LIMIT 20;
    SELECT lower(string_agg(content ->> 'message', E'\n')) INTO messages
    FROM (SELECT content FROM parlant.parlant_event
          WHERE workspace_id = it.workspace_id AND session_id = session ORDER BY "offset" DESC LIMIT 20) AS recent;
    PERFORM id, name, description, importance FROM parlant.parlant_term
    WHERE workspace_id = it.workspace_id AND agent_id = it.agent_id AND strpos(messages, lower(name)) > 0;
    PERFORM id, template FROM parlant.parlant_canned_response
    WHERE workspace_id = it.workspace_id AND agent_id = it.agent_id AND enabled ORDER BY priority DESC LIMIT 10;
END $$;

CREATE FUNCTION one_call(session uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM parlant.session_context(session);
END $$;
CREATE FUNCTION one_call_of_json(session uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM parlant.session_context_json(session);
END $$;
VACUUM ANALYZE;
