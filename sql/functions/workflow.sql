-- Workflows as journeys. What becomes of which block stands in Rust; here the result is stored.

COMMENT ON FUNCTION parlant.workflow_to_journey(jsonb, jsonb, jsonb) IS
    'The journey that a workflow makes, in any form in which workflows are exported: definition, a journey document; '
    'mapping, the name of the state of each block; warnings, what was not kept as it was. Parameters are values by the '
    'name of a reference, tools the names of tools by the id of the custom tool or MCP server that they were made of.';
COMMENT ON FUNCTION parlant.journey_definition_to_workflow(jsonb) IS
    'The workflow that a journey document makes; it becomes the same journey again.';
COMMENT ON FUNCTION parlant.host_workflow(text, text, boolean) IS
    'A workflow of the linked host application as one document: the active deployed version or else the blocks in the '
    'editor, and always those if the last argument is true. Seen from inside its workspace only.';

CREATE FUNCTION parlant.import_workflow(agent_id uuid, workflow jsonb, parameters jsonb DEFAULT '{}')
    RETURNS TABLE (journey_id uuid, warnings jsonb)
    LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    began timestamp := timezone('utc', clock_timestamp());
    workspace text;
    made jsonb;
    checksum text;
    new_title text;
    source text;
    earlier_checksum text;
BEGIN
    IF workflow IS NULL THEN
        RAISE EXCEPTION 'the workflow is null' USING
            ERRCODE = 'invalid_parameter_value',
            HINT = 'Hand over a workflow as it is exported.';
    END IF;
    SELECT agent.workspace_id INTO workspace FROM parlant.parlant_agent AS agent
    WHERE agent.id = import_workflow.agent_id AND agent.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % does not exist', agent_id USING
            ERRCODE = 'no_data_found',
            HINT = 'Check the id. The agent may be deleted, or belong to a workspace that you cannot see.';
    END IF;
    made := parlant.workflow_to_journey(workflow, coalesce(parameters, '{}'), coalesce((
        SELECT jsonb_object_agg(tool.sim_tool_id, tool.name ORDER BY tool.created_at DESC, tool.id DESC)
        FROM parlant.parlant_tool AS tool
        WHERE tool.workspace_id = workspace AND tool.sim_tool_id IS NOT NULL AND NOT tool.is_deprecated), '{}'));
    checksum := encode(sha256(convert_to((made -> 'definition')::text, 'UTF8')), 'hex');
    new_title := made -> 'definition' ->> 'title';
    source := left(coalesce(made ->> 'workflow_id', 'document: ' || new_title), 255);
    -- Imports of one workflow for one agent go one after another, so that the second finds the journey of the first.
    PERFORM pg_advisory_xact_lock(hashtextextended(agent_id::text || source, 0));

    SELECT journey.id, history.metadata ->> 'checksum' INTO journey_id, earlier_checksum
    FROM parlant.parlant_conversion_history AS history
    JOIN parlant.parlant_journey AS journey
      ON journey.workspace_id = workspace AND journey.agent_id = import_workflow.agent_id
     AND journey.id::text = history.result ->> 'journey_id'
    WHERE history.workspace_id = workspace AND history.workflow_id = source
      AND history.agent_id = import_workflow.agent_id AND history.status = 'completed'
    ORDER BY history.created_at DESC, history.id DESC
    LIMIT 1;

    warnings := made -> 'warnings';
    IF journey_id IS NOT NULL AND earlier_checksum = checksum THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM parlant.parlant_journey AS journey
               WHERE journey.workspace_id = workspace AND journey.agent_id = import_workflow.agent_id
                 AND journey.title = new_title AND journey.id IS DISTINCT FROM import_workflow.journey_id) THEN
        RAISE EXCEPTION 'the agent has another journey with the title "%"', new_title USING
            ERRCODE = 'unique_violation',
            CONSTRAINT = 'parlant_journey_title_key',
            DETAIL = 'It was not made from this workflow.',
            HINT = 'Rename the workflow or the journey.';
    END IF;
    IF journey_id IS NULL THEN
        journey_id := parlant.create_journey(agent_id, made -> 'definition');
    ELSE
        PERFORM parlant.replace_journey(journey_id, made -> 'definition');
    END IF;
    INSERT INTO parlant.parlant_conversion_history
        (workspace_id, conversion_id, workflow_id, user_id, agent_id, parameters, status, result, metadata, duration_ms,
         blocks_converted, edges_converted, warnings_count, started_at, completed_at)
    SELECT workspace, parlant.uuidv7()::text, source, parlant.current_user_id(), agent_id, made -> 'parameters',
           'completed',
           jsonb_build_object('journey_id', journey_id, 'mapping', made -> 'mapping', 'warnings', warnings),
           jsonb_build_object('checksum', checksum),
           (extract(epoch FROM ended.at - began) * 1000)::integer,
           (SELECT count(*) FROM jsonb_object_keys(made -> 'mapping')),
           jsonb_array_length(made -> 'definition' -> 'transitions'), jsonb_array_length(warnings), began, ended.at
    FROM (SELECT timezone('utc', clock_timestamp())) AS ended (at);
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION parlant.import_workflow(uuid, jsonb, jsonb) IS
    'Makes a journey of an agent from a workflow, or brings the journey up to date that it made before, and records it '
    'in parlant_conversion_history. Importing what has not changed changes nothing.';

CREATE FUNCTION parlant.import_host_workflow(
    agent_id uuid, workflow_id text, parameters jsonb DEFAULT '{}', draft boolean DEFAULT false
) RETURNS TABLE (journey_id uuid, warnings jsonb)
    LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    workspace text;
BEGIN
    SELECT agent.workspace_id INTO workspace FROM parlant.parlant_agent AS agent
    WHERE agent.id = import_host_workflow.agent_id AND agent.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'agent % does not exist', agent_id USING
            ERRCODE = 'no_data_found',
            HINT = 'Check the id. The agent may be deleted, or belong to a workspace that you cannot see.';
    END IF;
    RETURN QUERY SELECT made.journey_id, made.warnings FROM parlant.import_workflow(
        agent_id, parlant.host_workflow(workspace, workflow_id, coalesce(draft, false)), parameters) AS made;
END $$;
COMMENT ON FUNCTION parlant.import_host_workflow(uuid, text, jsonb, boolean) IS
    'Makes a journey of an agent from a workflow of the linked host application, of the same workspace: from its active '
    'deployed version, or from the blocks in the editor if there is none or draft is true. As import_workflow.';

CREATE FUNCTION parlant.journey_to_workflow(journey_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT parlant.journey_definition_to_workflow(parlant.journey_definition(journey_id))
$$;
COMMENT ON FUNCTION parlant.journey_to_workflow(uuid) IS
    'A journey as a workflow that the host application imports, and that becomes the same journey again.';
