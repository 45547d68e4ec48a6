-- An impression that is another one than was known under its id: its reward says nothing about the prompt that is there.
UPDATE asked SET reason = 'changed_impression', fault_example = concat('impression ''', impression_id, ''', other ', changed)
FROM (
    SELECT asked_no AS number, concat_ws(', ',
        CASE WHEN member.member <> known.member THEN 'member_id' END,
        CASE WHEN asked.title_id <> known.title_id THEN 'title_id' END,
        CASE WHEN shown <> known.artwork_id THEN 'artwork_id' END,
        CASE WHEN asked.candidates <> known.candidates THEN 'candidates' END,
        CASE WHEN asked_at <> known."at" THEN concat('at (', asked_at, ', was ', known."at", ')') END) AS changed
    FROM asked JOIN member USING (member_id) JOIN known USING (impression_id)
    WHERE reason IS NULL
)
WHERE asked_no = number AND changed <> '';
