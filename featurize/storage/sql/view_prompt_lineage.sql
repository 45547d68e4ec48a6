CREATE OR REPLACE VIEW prompt_lineage AS
FROM lineage WHERE current;
COMMENT ON VIEW prompt_lineage IS 'One row per current prompt and candidate: from the letter back to the picture, the words about it, the model that said them and the runs that wrote them';
