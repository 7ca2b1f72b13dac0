-- How consumers stand with the destinations that their events are brought to. Twin of the other stores' migrations with the
-- same number.
ALTER TABLE consumers ADD COLUMN standing jsonb; -- see bus-domain's Standing; NULL before the first attempt

CREATE INDEX consumers_with_destination ON consumers (name) WHERE config -> 'destination' IS NOT NULL;
