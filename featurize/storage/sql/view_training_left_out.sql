CREATE OR REPLACE VIEW training_left_out AS
SELECT 'sft' AS form, split, count(*) AS rows FROM played WHERE shown_like <> [] GROUP BY split
UNION ALL
SELECT 'dpo', split, sum(len(shown_like))::BIGINT FROM played WHERE shown_like <> [] GROUP BY split;
COMMENT ON VIEW training_left_out IS 'What sft and dpo lack because words cannot tell it apart: prompts in which another candidate is described like the one shown, and pairs of the two';
