CREATE OR REPLACE VIEW ranked AS
SELECT ranking.prompt_id, prompt.kind, prompt.split, model.backend AS ranker, ranking.model_key, member_id, title_id,
       title.name AS title, asked_at, rank, artwork_id, said.caption, score, probability, ranking.propensity,
       artwork_ids[instr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', answer)] = artwork_id AS shown, reward
FROM ranking
JOIN labelled_prompt AS prompt USING (prompt_id)
LEFT JOIN model ON model.model_key = ranking.model_key
LEFT JOIN title USING (title_id)
LEFT JOIN (SELECT DISTINCT ON (artwork_id) artwork_id, caption FROM artwork_features) AS said USING (artwork_id)
ORDER BY prompt_id, ranking.model_key, rank;
COMMENT ON VIEW ranked IS 'Rankings in words: each candidate of a prompt by rank, with its title and caption; shown says whether it is the artwork that the log has, reward what came of that one';
