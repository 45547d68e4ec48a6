-- Input: members and titles to rank tonight, as CSV, JSON lines or Parquet.
CREATE TABLE pair (
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    max_maturity INTEGER CHECK (max_maturity >= 0),
    device VARCHAR,
    country VARCHAR,
    language VARCHAR,
    time_zone VARCHAR,
    PRIMARY KEY (member_id, title_id)
);
COMMENT ON COLUMN pair.member_id IS 'Who is to see the title';
COMMENT ON COLUMN pair.title_id IS 'Title to choose an artwork of';
COMMENT ON COLUMN pair.max_maturity IS 'Optional: an artwork with a higher maturity is no candidate; without one there is no limit';
COMMENT ON COLUMN pair.device IS 'Optional: what it is to be shown on, in a word or two, such as television';
COMMENT ON COLUMN pair.country IS 'Optional: where, such as Brazil or BR';
COMMENT ON COLUMN pair.language IS 'Optional: language the member reads, such as pt or pt-BR; artworks for another one are no candidates';
COMMENT ON COLUMN pair.time_zone IS 'Optional: the member''s, by its IANA name, such as America/Sao_Paulo';
