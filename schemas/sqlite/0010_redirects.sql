-- Where nodes have moved that were deleted (XEP-0060 §8.4.1). Twin of the other stores' migrations with the same number.
-- A row goes when a node gets the name, or when too many others have come since.
CREATE TABLE redirects (
    redirect_number INTEGER PRIMARY KEY AUTOINCREMENT, -- the oldest ones go first
    name            TEXT NOT NULL UNIQUE,
    creator         TEXT NOT NULL,                     -- bare, of the node
    uri             TEXT NOT NULL
) STRICT;

CREATE INDEX redirects_by_creator ON redirects (creator, redirect_number);
