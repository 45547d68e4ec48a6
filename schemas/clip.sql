-- Videos and sound of the catalogue, as table artwork has its pictures: one row per state a clip was seen in. The newest
-- row of a clip_id is its present state; present = false says that the catalogue dropped it, or shows a picture there now.
CREATE TABLE clip (
    clip_id VARCHAR NOT NULL CHECK (clip_id <> ''),
    title_id VARCHAR NOT NULL CHECK (title_id <> ''),
    uri VARCHAR NOT NULL CHECK (uri <> ''),
    clip_sha256 VARCHAR NOT NULL CHECK (length(clip_sha256) = 64),
    size BIGINT NOT NULL CHECK (size >= 0),
    modified TIMESTAMPTZ,
    etag VARCHAR,
    format VARCHAR,
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
    PRIMARY KEY (clip_id, uri, clip_sha256, seen_at)
);
COMMENT ON COLUMN clip.clip_id IS 'The artwork_id of the manifest; of a folder, the path relative to it';
COMMENT ON COLUMN clip.title_id IS 'Title the clip belongs to; of a folder, the parent folder or the file stem';
COMMENT ON COLUMN clip.uri IS 'Absolute local path, or s3:// or https:// address of the file';
COMMENT ON COLUMN clip.clip_sha256 IS 'SHA-256 of the file, lower-case hex: the key of every feature';
COMMENT ON COLUMN clip.size IS 'Bytes of the file';
COMMENT ON COLUMN clip.modified IS 'Modification time the storage gave, UTC; with uri and size it says that a file is unchanged';
COMMENT ON COLUMN clip.etag IS 'ETag that the host of an https:// address gave; NULL where it gave none, and of other files';
COMMENT ON COLUMN clip.format IS 'Container told from the bytes: MP4, MOV, WEBM, MKV, WAV, FLAC, MP3, M4A or OGG; NULL where they are none that the name promises';
COMMENT ON COLUMN clip.kind IS 'From the manifest: trailer, preview, ...';
COMMENT ON COLUMN clip.locale IS 'From the manifest: language or region the clip is for';
COMMENT ON COLUMN clip.priority IS 'From the manifest';
COMMENT ON COLUMN clip.valid_from IS 'From the manifest: first moment it may be shown';
COMMENT ON COLUMN clip.valid_to IS 'From the manifest: first moment it may no longer be shown';
COMMENT ON COLUMN clip.depicts IS 'From the manifest: who or what is in it; NULL where it does not say';
COMMENT ON COLUMN clip.maturity IS 'From the manifest: from which age on it is fit to be seen; NULL where it does not say';
COMMENT ON COLUMN clip.source IS 'The folder or manifest it was read from; only a later run on the same source can drop it';
COMMENT ON COLUMN clip.present IS 'False where the source no longer lists it as a clip';
COMMENT ON COLUMN clip.seen_at IS 'When this state was first seen, UTC';
COMMENT ON COLUMN clip.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN clip.code_version IS 'Version of this project that wrote the row';
