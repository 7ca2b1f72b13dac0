-- What tells the leases of one event apart, and what keeps the events of one key in their order. Twin of the other stores'
-- migrations with the same number.

ALTER TABLE consumer_deliveries ADD COLUMN generation INTEGER NOT NULL DEFAULT 0; -- under which the last lease was given
ALTER TABLE consumer_deliveries ADD COLUMN order_key INTEGER; -- hash of the event's key; NULL: it stands in no order
