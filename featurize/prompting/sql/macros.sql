-- What several queries of the prompts job share.
CREATE TYPE event_kind AS ENUM ('play', 'thumbs_up', 'thumbs_down', 'list_add');
-- Time zones by their lower-case names. Those without a stroke are short for several: BST is British, or Bangladesh's.
CREATE TEMP TABLE known_zone AS
SELECT lower(name) AS spelled, min(name) AS zone FROM pg_timezone_names() WHERE name LIKE '%/%' OR name IN ('UTC', 'GMT')
GROUP BY spelled;
CREATE TEMP MACRO told(said) AS
    -- A text, or NULL for what programs write where they know nothing. NA is no such word: it is Namibia.
    CASE WHEN lower(trim(said)) NOT IN
        ('', '-', '?', 'null', '(null)', '\n', 'none', 'nil', 'nan', 'n/a', 'undefined', 'unknown', '(unknown)', 'not set', '(not set)')
    THEN trim(said) END;
CREATE TEMP MACRO known_event(event) AS event IN ('play', 'thumbs_up', 'thumbs_down', 'list_add');
CREATE TEMP MACRO wrong_clock(happened, now) AS
    -- A day for clocks that are ahead and zones that were mistaken.
    happened < TIMESTAMPTZ '0001-01-01 00:00:00Z' OR happened > now::TIMESTAMPTZ + INTERVAL 1 DAY;
CREATE TEMP MACRO bad_minutes(fault, minutes) AS
    -- The row can be used without them.
    fault IS NOT NULL OR minutes IS NOT NULL AND NOT (isfinite(minutes) AND minutes >= 0 AND minutes < 1e6);
CREATE TEMP MACRO share_of(name, candidates, propensities) AS
    -- Of a candidate that was given twice, both count.
    list_sum(list_filter(propensities, lambda share, place: candidates[place] = name));
CREATE TEMP MACRO bad_propensities(propensities, candidates, shown, propensity) AS
    -- As good as numbers of three decimals can be; NULL where there are none.
    len(propensities) <> len(candidates) OR list_min(propensities) < 0 OR list_max(propensities) > 1
        OR abs(list_sum(propensities) - 1) > 0.0005 * len(propensities) + 1e-9
        OR abs(share_of(shown, candidates, propensities) - propensity) > 0.001 + 1e-9;
CREATE TEMP MACRO history_fault(fault, member_id, title_id, title_no, event, happened, now) AS
    -- What keeps a row of history from being used, whoever is asked about.
    CASE
        WHEN fault <> 'bad_minutes' THEN fault
        WHEN member_id IS NULL OR member_id = '' OR title_id IS NULL OR title_id = '' OR event IS NULL OR event = ''
            OR happened IS NULL THEN 'incomplete'
        WHEN wrong_clock(happened, now) THEN 'bad_time'
        WHEN NOT known_event(event) THEN 'unknown_event'
        WHEN title_no IS NULL THEN 'unknown_title'
    END;
CREATE TEMP MACRO pair_hash(seed, member, title) AS
    -- The length keeps ('a', 'bc') and ('ab', 'c') apart.
    md5(concat(seed, '|', length(member), ':', member, ':', title));
CREATE TEMP MACRO language_tag(said) AS
    -- pt_BR.UTF-8 and PT-br are pt-br; of no language, of several, and undetermined are NULL.
    CASE WHEN said SIMILAR TO ' *(|\*|und|mul|zxx) *' THEN NULL
    ELSE lower(replace(trim(regexp_replace(said, '[.@].*', '')), '_', '-')) END;
CREATE TEMP MACRO same_language(one, other) AS
    -- pt is pt-BR and the other way round; pt-PT is not pt-BR. NULL where either is.
    starts_with(one || '-', other || '-') OR starts_with(other || '-', one || '-');
CREATE TEMP MACRO whole_hours(happened, moment) AS
    ((epoch_us(moment) - epoch_us(happened)) // 3_600_000_000)::INTEGER;
CREATE TEMP MACRO whole_minutes(happened, moment) AS (epoch_us(moment) - epoch_us(happened)) // 60_000_000;
CREATE TEMP MACRO goes_on(told, minutes, happened, moment) AS
    -- Whether a play may not have ended at the moment: its minutes are whole ones. No where that is not told.
    coalesce(told AND minutes >= whole_minutes(happened, moment), false);
CREATE TEMP MACRO minutes_until(minutes, happened, moment) AS
    -- Of a play that had not ended at the moment, how long it had lasted.
    CASE WHEN minutes IS NOT NULL THEN least(minutes, whole_minutes(happened, moment))::INTEGER END;
CREATE TEMP MACRO same(value, of) AS
    -- The value that all of so many rows of a group have; NULL where they differ, or one has none.
    CASE WHEN count(value) = any_value(of) AND min(value) = max(value) THEN min(value) END;
CREATE TEMP MACRO line_mark() AS chr(57344);
CREATE TEMP MACRO letter_mark() AS chr(57345);
CREATE TEMP MACRO unmarked(text) AS replace(replace(text, line_mark(), ''), letter_mark(), '');
CREATE TEMP MACRO between_marks(mark, text) AS
    -- How many characters stand before the first of the marks, between each two, and after the last.
    list_transform(string_split(text, mark), lambda piece: length(piece));
CREATE TEMP MACRO places_of(between) AS
    -- How many characters stand before each of the marks, these themselves not counted.
    list_transform(range(1, len(between)), lambda number: list_sum(between[:number])::INTEGER);
-- By the name that the store knows a member by, so that it has the same bucket every night.
CREATE TEMP MACRO bucket_of(member, buckets) AS (hash(member) % buckets)::INTEGER;
