-- Rows of `prompt` for a range of questions, in their order; `tokens` counts characters. Lists are ordered by arg_min
-- and arg_max, which is much faster than list(... ORDER BY ...); what they order by is unique.
WITH asked_now AS (
    SELECT q.*, text FROM question q JOIN title USING (title_id) WHERE question_no BETWEEN $first AND $last
),
with_people AS (
    SELECT moment_no, title_no,
        in_history(array_to_string(arg_min(person(name), place, $in_line), people_between())) AS with_whom
    FROM (SELECT DISTINCT moment_no, title_no FROM recent WHERE moment_no BETWEEN $first_moment AND $last_moment)
    JOIN title_cast USING (title_no) JOIN met USING (moment_no, person_no) JOIN person USING (person_no)
    WHERE often
    GROUP BY moment_no, title_no
),
recent_lines AS (
    SELECT moment_no,
        array_to_string(
            arg_max(history_line(concat(label, with_whom), what, ago(hours)), place, $lines), chr(10)) AS lines
    FROM recent_said JOIN title USING (title_no) LEFT JOIN with_people USING (moment_no, title_no)
    WHERE moment_no BETWEEN $first_moment AND $last_moment
    GROUP BY moment_no
),
older_lines AS (
    SELECT moment_no,
        -- Genres are numbered by name: the most plays first, then the first name.
        older_line(array_to_string(
            arg_max(older_count(genre, plays), plays * 1_000_000::BIGINT - genre_no, $genres), ', ')) AS line
    FROM older JOIN genre USING (genre_no)
    WHERE moment_no BETWEEN $first_moment AND $last_moment
    GROUP BY moment_no
),
people_lines AS (
    -- People are numbered by name, too.
    SELECT moment_no, people_line(array_to_string(
            arg_max(people_count(name, plays), plays * 1_000_000_000::BIGINT - person_no, $people), people_between())) AS line
    FROM met JOIN person USING (person_no)
    WHERE often AND moment_no BETWEEN $first_moment AND $last_moment
    GROUP BY moment_no
),
depictions AS (
    SELECT question_no, artwork_id, candidate_depicts(array_to_string(
            arg_min(CASE WHEN plays IS NULL THEN person(name) ELSE person_watched(name, plays) END, place, $most),
            people_between())) AS who
    FROM choice JOIN asked_now USING (question_no) JOIN depicted USING (state_no) JOIN person USING (person_no)
    LEFT JOIN met USING (moment_no, person_no)
    WHERE tells
    GROUP BY question_no, artwork_id
),
genres AS (
    SELECT question_no, artwork_id, candidate_genre(genre, coalesce(plays, 0)) AS of_genre
    FROM choice JOIN asked_now USING (question_no) JOIN genre USING (genre_no) LEFT JOIN older USING (moment_no, genre_no)
),
choices AS (
    SELECT question_no,
        arg_min(artwork_id, shuffle, $most) AS artwork_ids,
        arg_min(said, shuffle, $most) AS descriptions,
        arg_min(share, shuffle, $most) AS propensities
    FROM (
        SELECT question_no, artwork_id, share,
            coalesce(nullif(concat_ws(candidate_between(), description, of_genre, who), ''), not_described()) AS said,
            md5(concat($seed, '|', question_key, '|', artwork_id)) AS shuffle
        FROM choice JOIN asked_now USING (question_no) LEFT JOIN genres USING (question_no, artwork_id)
        LEFT JOIN depictions USING (question_no, artwork_id)
    )
    GROUP BY question_no
),
moments_said AS (
    SELECT question_no, nullif(concat_ws(now_between(),
            CASE WHEN time_zone IS NOT NULL THEN local_time(time_zone, asked_at) END, d.said, c.said, l.said), '') AS now
    FROM asked_now q
    LEFT JOIN place d ON d.kind = 'device' AND d.given = q.device
    LEFT JOIN place c ON c.kind = 'country' AND c.given = q.country
    LEFT JOIN place l ON l.kind = 'language' AND l.given = q.language
),
event_lines AS (
    SELECT question_no, array_to_string(
            arg_max(earlier_event_line(what(kind, minutes, going_on), ago(hours)), place, $events), earlier_between()) AS events
    FROM earlier_event
    WHERE question_no BETWEEN $first AND $last
    GROUP BY question_no
),
shown_lines AS (
    SELECT question_no, array_to_string(arg_max(
            earlier_shown_line(
                letter_mark() || letter(number), times, ago(last.hours), outcome(last.outcome, last.minutes),
                CASE WHEN best IS NOT NULL
                    THEN earlier_before(outcome(best.outcome, best.minutes), ago(best.hours)) END),
            epoch_us(last_at) * 64 - number, $artworks), earlier_between()) AS shows
    FROM (
        SELECT s.*, list_position(artwork_ids, artwork_id) AS number
        FROM earlier_shown s JOIN choices USING (question_no)
    )
    WHERE number > 0
    GROUP BY question_no
),
marked AS (
    SELECT q.*, artwork_ids, descriptions, propensities,
        user_message(
            coalesce(nullif(concat_ws(chr(10), lines, older_lines.line, people_lines.line), ''), no_history()),
            text,
            CASE WHEN now IS NOT NULL THEN now_section(now) END,
            CASE WHEN events IS NOT NULL OR shows IS NOT NULL
                THEN earlier_section(concat_ws(earlier_between(), events, shows)) END,
            array_to_string(
                list_transform(
                    descriptions,
                    lambda words, place: line_mark() || candidate_line(letter_mark() || letter(place), words)),
                chr(10)) || line_mark()
        ) AS question
    FROM asked_now q JOIN choices USING (question_no)
    LEFT JOIN recent_lines USING (moment_no) LEFT JOIN older_lines USING (moment_no) LEFT JOIN people_lines USING (moment_no)
    LEFT JOIN moments_said USING (question_no) LEFT JOIN event_lines USING (question_no) LEFT JOIN shown_lines USING (question_no)
),
asked AS MATERIALIZED (
    SELECT * REPLACE (unmarked(question) AS question),
        -- A template may list them twice.
        CASE WHEN len(lines) = len(artwork_ids) + 2 THEN {'lines': places_of(lines), 'letters': places_of(letters)} END AS slots
    FROM (
        SELECT *, between_marks(line_mark(), replace(question, letter_mark(), '')) AS lines,
            between_marks(letter_mark(), replace(question, line_mark(), '')) AS letters
        FROM marked
    )
)
SELECT prompt_id, $kind AS kind, impression_id, member AS member_id, title_id, asked_at, artwork_ids,
    list_transform(descriptions, lambda words: list_position(descriptions, words)) AS same_as,
    [{'role': 'system', 'content': system_message()}, {'role': 'user', 'content': question}] AS messages,
    slots,
    concat(system_message(), chr(10), chr(10), question) AS prompt,
    letter(list_position(artwork_ids, shown)) AS answer,
    reward, propensity, propensities, device, country, language, time_zone,
    CASE
        WHEN $kind = 'nightly' THEN NULL
        WHEN coalesce(asked_at >= $held_out_from::TIMESTAMPTZ, pair_hash($seed, member, title_id) <= $held_out_up_to)
            THEN 'held_out'
        ELSE 'train'
    END AS split,
    $as_of::TIMESTAMPTZ AS as_of, $template_key AS template_key, $descriptions AS model_key, $recipe_key AS recipe_key,
    (length(system_message()) + 2 + length(question))::INTEGER AS tokens, $tokens_by AS tokens_by,
    $run_id AS run_id, $code_version AS code_version, $computed_at::TIMESTAMPTZ AS computed_at
FROM asked
ORDER BY question_no;
