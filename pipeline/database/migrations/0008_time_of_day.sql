-- When a transaction was booked, to the microsecond, where the bank says more than the day.

ALTER TABLE transactions ADD COLUMN booked_at timestamptz;
