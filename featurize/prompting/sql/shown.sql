-- The newest $most prompts of a member (by the id as it came, or its pseudonym), an impression or a prompt, and how many
-- there are in all.
SELECT p.*, name, count(*) OVER () AS found
FROM labelled_prompt p LEFT JOIN title USING (title_id)
WHERE ($id IN (member_id, impression_id, prompt_id) OR member_id = $member)
    AND coalesce(template_key = $template, true)
ORDER BY asked_at DESC, recipe_key, prompt_id
LIMIT $most;
