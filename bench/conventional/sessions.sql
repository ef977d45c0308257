-- The conventional tables with the agents, sessions and members that parlant has.
\ir schema.sql
INSERT INTO conventional.workspace_member SELECT user_id, workspace_id, permission FROM parlant.parlant_workspace_member;
INSERT INTO conventional.agent (id, workspace_id, name, system_prompt)
SELECT id, workspace_id, name, system_prompt FROM parlant.parlant_agent;
INSERT INTO conventional.session (id, workspace_id, agent_id, customer_id)
SELECT id, workspace_id, agent_id, customer_id FROM parlant.parlant_session;
