"""Posting looks transfers up by their index, whatever the plan was made for.

A connection keeps the plan of its first postings. When the book was still small then, that plan
reads the whole table and compares every row with every id of the call: a thousand postings against
six thousand transfers spent more than half of their time on that, and it grew with the book.
"""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0006_two_phase'),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION ledger_post SET enable_seqscan = off",
            "ALTER FUNCTION ledger_post RESET enable_seqscan",
        ),
    ]
