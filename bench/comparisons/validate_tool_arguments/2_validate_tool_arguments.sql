-- validate_tool_arguments
-- counts: 1000 calls
SELECT count(violation) FROM document, parlant.validate_tool_arguments('00000000-0000-4000-8000-000000000001', document) AS violation;
