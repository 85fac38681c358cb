"""What a till knows: baskets, sales and their states, scans, limits. No Flask, SQL, HTTP or serial."""
