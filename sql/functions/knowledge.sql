COMMENT ON FUNCTION parlant.search_knowledge(uuid, text, text, integer) IS
    'Chunks of the knowledge bases that an agent is linked to, the best first: by words, by nearness to a vector (as '
    'text, such as [0.1, 0.2]), or by both with reciprocal ranks. Thresholds, limits and priorities are the links''.';
