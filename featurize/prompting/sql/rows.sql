-- Rows of `prompt` for a range of questions, in their order; `tokens` counts characters. Lists are ordered by arg_min
-- and arg_max, which is much faster than list(... ORDER BY ...); what they order by is unique.
WITH asked_now AS (
    SELECT q.*, text FROM question q JOIN title USING (title_id) WHERE question_no BETWEEN $first AND $last
),
recent_lines AS (
    SELECT moment_no,
        array_to_string(arg_max(history_line(label, what(kind, minutes), ago(hours)), place, $recent), chr(10)) AS lines
    FROM recent JOIN title USING (title_no)
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
choices AS (
    SELECT question_no,
        arg_min(artwork_id, shuffle, $most) AS artwork_ids,
        arg_min(coalesce(description, not_described()), shuffle, $most) AS descriptions,
        arg_min(share, shuffle, $most) AS propensities
    FROM (
        SELECT question_no, artwork_id, description, share,
            md5(concat($seed, '|', question_key, '|', artwork_id)) AS shuffle
        FROM choice JOIN asked_now USING (question_no)
    )
    GROUP BY question_no
),
asked AS MATERIALIZED (
    SELECT q.*, artwork_ids, descriptions, propensities,
        user_message(
            coalesce(nullif(concat_ws(chr(10), lines, line), ''), no_history()),
            text,
            array_to_string(list_transform(descriptions, lambda words, place: candidate_line(letter(place), words)), chr(10))
        ) AS question
    FROM asked_now q JOIN choices USING (question_no)
    LEFT JOIN recent_lines USING (moment_no) LEFT JOIN older_lines USING (moment_no)
)
SELECT prompt_id, $kind AS kind, impression_id, member AS member_id, title_id, asked_at, artwork_ids,
    list_transform(descriptions, lambda words: list_position(descriptions, words)) AS same_as,
    [{'role': 'system', 'content': system_message()}, {'role': 'user', 'content': question}] AS messages,
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
