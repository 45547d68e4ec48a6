-- What several queries of the prompts job share.
CREATE TYPE event_kind AS ENUM ('play', 'thumbs_up', 'thumbs_down', 'list_add');
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
