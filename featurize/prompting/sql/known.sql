-- What is kept of the impressions asked about, as table `known`: for each what its prompt was made of, which is what was
-- read of it first. Of those that have a prompt from before anything was kept, that prompt says so; it may lack
-- candidates. Members are comparable where the same key made their pseudonyms.
CREATE OR REPLACE TEMP TABLE known AS
WITH first AS (
    SELECT impression_id, arg_min({'title_id': title_id, 'artwork_id': artwork_id, 'candidates': candidates, 'at': "at"},
            computed_at) AS said,
        arg_min(member_id, computed_at) FILTER (member_key = $member_key) AS member
    FROM kept_state
    GROUP BY impression_id
)
SELECT impression_id, member, said.title_id, said.artwork_id, said.candidates, said."at" AS "at" FROM first
UNION ALL
SELECT impression_id, member_id, title_id, artwork_ids[strpos($letters, answer)], NULL, asked_at
FROM earlier_prompt
SEMI JOIN (SELECT impression_id FROM asked WHERE reason IS NULL) USING (impression_id)
ANTI JOIN first USING (impression_id);
