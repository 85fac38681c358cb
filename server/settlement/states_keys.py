"""Under which keys and codes disputes and payments stand in the ledger; statements read them.

A bounced payment is mirrored under the same code, so that a code's net sum is what really moved.
"""

PAYMENT_KEY = "payment:"
BOUNCE_KEY = "bounce:"
ADJUSTMENT_KEY = "adjustment:"

PAYMENT_KIND = "payment"
BOUNCE_KIND = "payment_bounced"
ADJUSTMENT_KIND = "adjustment"

PAID_OUT_CODE = "paid_out"
RECEIVED_CODE = "received"
ADJUSTMENT_CODE = "adjustment"
