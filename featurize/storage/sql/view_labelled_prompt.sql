CREATE OR REPLACE VIEW labelled_prompt AS
WITH newest AS (
    SELECT impression_id, max(revision) AS label_revision, max(computed_at) AS labelled_at,
           arg_max({'reward': reward, 'minutes': minutes}, revision) AS label
    FROM label
    GROUP BY impression_id
)
SELECT prompt.* REPLACE (coalesce(label.reward, prompt.reward) AS reward),
       label.minutes AS minutes, label_revision, labelled_at, prompt.reward AS first_reward
FROM prompt LEFT JOIN newest USING (impression_id);
COMMENT ON VIEW labelled_prompt IS 'Prompts with the newest label of their impression as reward and minutes; table prompt keeps the first, table label all of them';
