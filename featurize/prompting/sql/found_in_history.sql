-- What is found in stretches of history, by the places of moments in its order.
CREATE OR REPLACE TEMP TABLE found_recent (
    moment BIGINT, place BIGINT, title_no INTEGER, kind event_kind, minutes INTEGER, happened_at TIMESTAMPTZ
);
CREATE OR REPLACE TEMP TABLE found_older (moment BIGINT, number INTEGER, plays INTEGER, often BOOLEAN);
CREATE OR REPLACE TEMP TABLE found_met (moment BIGINT, number INTEGER, plays INTEGER, often BOOLEAN);
