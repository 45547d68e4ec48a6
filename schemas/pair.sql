-- Input: members and titles to rank tonight, as CSV, JSON lines or Parquet.
CREATE TABLE pair (
    member_id VARCHAR NOT NULL CHECK (member_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    language VARCHAR,
    PRIMARY KEY (member_id, title_id)
);
COMMENT ON COLUMN pair.member_id IS 'Who is to see the title';
COMMENT ON COLUMN pair.title_id IS 'Title to choose an artwork of';
COMMENT ON COLUMN pair.language IS 'Optional: language the member reads, such as pt or pt-BR; artworks for another one are no candidates';
