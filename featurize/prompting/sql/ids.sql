-- The ids of the planned prompts of some days and each bucket, in the order of `question`; of them the names of parts are
-- made.
SELECT planned.day, list(prompt_id ORDER BY member, asked_at, prompt_id) AS ids
FROM planned JOIN asked USING (asked_no)
WHERE list_contains($days, planned.day)
GROUP BY planned.day, bucket_of(member, $buckets);
