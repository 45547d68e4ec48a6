-- What several queries of the prompts job share.
CREATE TYPE event_kind AS ENUM ('play', 'thumbs_up', 'thumbs_down', 'list_add');
CREATE TEMP MACRO pair_hash(seed, member, title) AS
    -- The length keeps ('a', 'bc') and ('ab', 'c') apart.
    md5(concat(seed, '|', length(member), ':', member, ':', title));
