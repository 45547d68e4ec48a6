-- What the catalogue said and when: one row per state an artwork was seen in.
-- The newest row of an artwork_id is its present state; present = false says that the catalogue dropped it.
CREATE TABLE artwork (
    artwork_id VARCHAR NOT NULL CHECK (artwork_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    uri VARCHAR NOT NULL CHECK (uri <> ''),
    image_sha256 VARCHAR NOT NULL CHECK (length(image_sha256) = 64),
    size BIGINT NOT NULL CHECK (size >= 0),
    modified TIMESTAMPTZ,
    etag VARCHAR,
    format VARCHAR,
    width INTEGER CHECK (width > 0),
    height INTEGER CHECK (height > 0),
    kind VARCHAR,
    locale VARCHAR,
    priority DOUBLE,
    valid_from TIMESTAMPTZ,
    valid_to TIMESTAMPTZ,
    depicts VARCHAR[],
    maturity INTEGER CHECK (maturity BETWEEN 0 AND 18),
    source VARCHAR NOT NULL,
    present BOOLEAN NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    PRIMARY KEY (artwork_id, uri, image_sha256, seen_at)
);
COMMENT ON COLUMN artwork.artwork_id IS 'Id from the manifest; of a folder, the path relative to it';
COMMENT ON COLUMN artwork.title_id IS 'Title the artwork belongs to; of a folder, the parent folder or the file stem';
COMMENT ON COLUMN artwork.uri IS 'Absolute local path, or s3:// or https:// address of the file';
COMMENT ON COLUMN artwork.image_sha256 IS 'SHA-256 of the file, lower-case hex: the key of every feature';
COMMENT ON COLUMN artwork.size IS 'Bytes of the file';
COMMENT ON COLUMN artwork.modified IS 'Modification time the storage gave, UTC; with uri and size it says that a file is unchanged';
COMMENT ON COLUMN artwork.etag IS 'ETag that the host of an https:// address gave: it is asked whether that is still the file''s; NULL where it gave none, of other files, and in rows of older versions';
COMMENT ON COLUMN artwork.format IS 'Format sniffed from the bytes (JPEG, PNG, ...); NULL when the header cannot be read';
COMMENT ON COLUMN artwork.width IS 'Pixels, after EXIF orientation; NULL when the header cannot be read';
COMMENT ON COLUMN artwork.height IS 'Pixels, after EXIF orientation; NULL when the header cannot be read';
COMMENT ON COLUMN artwork.kind IS 'From the manifest: poster, still, ...';
COMMENT ON COLUMN artwork.locale IS 'From the manifest: language or region the artwork is for';
COMMENT ON COLUMN artwork.priority IS 'From the manifest';
COMMENT ON COLUMN artwork.valid_from IS 'From the manifest: first moment it may be shown';
COMMENT ON COLUMN artwork.valid_to IS 'From the manifest: first moment it may no longer be shown';
COMMENT ON COLUMN artwork.depicts IS 'From the manifest: who or what is on it; NULL where it does not say, and in rows of older versions';
COMMENT ON COLUMN artwork.maturity IS 'From the manifest: from which age on it is fit to be seen; NULL where it does not say, and in rows of older versions';
COMMENT ON COLUMN artwork.source IS 'The folder or manifest it was read from; only a later run on the same source can drop it';
COMMENT ON COLUMN artwork.present IS 'False where the source no longer lists it';
COMMENT ON COLUMN artwork.seen_at IS 'When this state was first seen, UTC';
COMMENT ON COLUMN artwork.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN artwork.code_version IS 'Version of this project that wrote the row';
