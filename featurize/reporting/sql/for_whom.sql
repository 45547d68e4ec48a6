-- For each artwork that is shown the groups of members it is chosen for more often than for others: of `of_group` choices
-- of the title for members of the group, `chosen` are this artwork. A group is what the prompt says of the member (device,
-- country, language), or the genre of which they watched most of what they were shown.
WITH mine AS (
    FROM picked SEMI JOIN shown_title USING (title_id)
),
liked AS (
    SELECT member_id, arg_max(genre, (plays, genre)) AS genre
    FROM (
        SELECT member_id, genre, count(*) AS plays
        FROM (
            SELECT impression.member_id, unnest(title.genres) AS genre
            FROM impression JOIN title USING (title_id)
            SEMI JOIN mine ON mine.member_id = impression.member_id
            WHERE reward >= 0.5
        )
        GROUP BY member_id, genre
    )
    GROUP BY member_id
),
trait AS (
    SELECT mine.title_id, mine.artwork_id,
           unnest([{'kind': 'watches', 'name': liked.genre}, {'kind': 'on', 'name': device}, {'kind': 'in', 'name': country},
                   {'kind': 'reads', 'name': language}]) AS trait
    FROM mine
    LEFT JOIN prompt USING (prompt_id)
    LEFT JOIN liked ON liked.member_id = mine.member_id
),
counted AS (
    SELECT title_id, artwork_id, trait.kind AS kind, trait.name AS name, count(*) AS chosen,
           sum(count(*)) OVER (PARTITION BY title_id, trait)::BIGINT AS of_group
    FROM trait WHERE trait.name IS NOT NULL
    GROUP BY title_id, artwork_id, trait
),
all_of AS (
    SELECT title_id, artwork_id, count(*) / sum(count(*)) OVER (PARTITION BY title_id) AS share
    FROM mine GROUP BY title_id, artwork_id
)
SELECT artwork_id, kind, name, chosen, of_group
FROM counted JOIN all_of USING (title_id, artwork_id)
-- More than chance would have it: a standard error and a half above the share among all.
WHERE chosen >= 2 AND share < 1 AND (chosen - of_group * share) > 1.5 * sqrt(of_group * share * (1 - share))
QUALIFY row_number() OVER (
    PARTITION BY artwork_id ORDER BY (chosen - of_group * share) / sqrt(of_group * share * (1 - share)) DESC, kind, name
) <= 4
ORDER BY artwork_id, (chosen - of_group * share) / sqrt(of_group * share * (1 - share)) DESC;
