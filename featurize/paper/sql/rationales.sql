-- In the words of the truth: what the artwork that was played shows, and who is on it.
SELECT prompt_id,
    answer || ' shows ' || s.mood || ' ' || s.theme
        || CASE WHEN s.depicts = [] THEN '' ELSE ', with ' || array_to_string(s.depicts, ' and ') END
        || '.' AS rationale
FROM played p JOIN read_parquet($scenes) s ON s.artwork_id = p.artwork_ids[p.shown_place]
WHERE p.split = 'train'
ORDER BY prompt_id
