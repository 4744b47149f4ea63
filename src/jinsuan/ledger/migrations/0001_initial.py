"""The three tables; models.py says what they mean."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=120)),
                ('kind', models.CharField(max_length=20)),
                ('may_overdraw', models.BooleanField()),
                ('debits_fen', models.BigIntegerField(default=0)),
                ('credits_fen', models.BigIntegerField(default=0)),
                ('opened_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'ledger_account',
                'indexes': [models.Index(fields=['kind', 'code'], name='account_by_kind')],
                'constraints': [models.UniqueConstraint(fields=('code',), name='account_code'), models.CheckConstraint(condition=models.Q(('debits_fen__gte', 0), ('credits_fen__gte', 0)), name='account_totals_not_negative'), models.CheckConstraint(condition=models.Q(('may_overdraw', True), ('debits_fen__lte', models.F('credits_fen')), _connector='OR'), name='account_not_overdrawn'), models.CheckConstraint(condition=models.Q(('kind__in', ['budget', 'pool', 'voucher', 'bank', 'cash', 'hold', 'payable', 'receivable', 'lapsed'])), name='account_kind_known'), models.CheckConstraint(condition=models.Q(('may_overdraw', models.Q(('kind__in', ['budget', 'bank', 'receivable'])))), name='account_overdraw_by_kind'), models.CheckConstraint(condition=models.Q(('kind', models.Func(models.F('code'), models.Value(':'), models.Value(1), function='split_part', output_field=models.CharField()))), name='account_kind_leads_code')],
            },
        ),
        migrations.CreateModel(
            name='AuditRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recorded_at', models.DateTimeField()),
                ('person', models.UUIDField(null=True)),
                ('organisation', models.UUIDField(null=True)),
                ('role', models.CharField(max_length=40)),
                ('via', models.CharField(max_length=120)),
                ('action', models.CharField(max_length=80)),
                ('subject', models.CharField(max_length=80)),
                ('reason', models.TextField(blank=True)),
                ('before_digest', models.BinaryField(max_length=32, null=True)),
                ('after_digest', models.BinaryField(max_length=32, null=True)),
                ('detail', models.JSONField(null=True)),
            ],
            options={
                'db_table': 'ledger_audit_row',
                'indexes': [models.Index(fields=['subject', 'id'], name='audit_by_subject'), models.Index(fields=['person', 'id'], name='audit_by_person')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('person', None), ('role', 'system')), models.Q(models.Q(('role', 'system'), _negated=True), ('person__isnull', False)), _connector='OR'), name='audit_person_unless_system'), models.CheckConstraint(condition=models.Q(models.Q(('action', ''), _negated=True), models.Q(('subject', ''), _negated=True), models.Q(('via', ''), _negated=True)), name='audit_says_what')],
            },
        ),
        migrations.CreateModel(
            name='Transfer',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=120, unique=True)),
                ('number', models.BigIntegerField()),
                ('request_hash', models.BinaryField(max_length=32)),
                ('fen', models.BigIntegerField()),
                ('reason', models.CharField(max_length=40)),
                ('cause', models.CharField(max_length=80)),
                ('occurred_at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField()),
                ('credit', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.account')),
                ('debit', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.account')),
            ],
            options={
                'db_table': 'ledger_transfer',
                'indexes': [models.Index(fields=['debit', 'number'], name='transfer_by_debit'), models.Index(fields=['credit', 'number'], name='transfer_by_credit'), models.Index(fields=['cause', 'number'], name='transfer_by_cause')],
                'constraints': [models.CheckConstraint(condition=models.Q(('fen__gt', 0)), name='transfer_is_positive'), models.CheckConstraint(condition=models.Q(('debit', models.F('credit')), _negated=True), name='transfer_moves'), models.CheckConstraint(condition=models.Q(('key', ''), _negated=True), name='transfer_has_key'), models.CheckConstraint(condition=models.Q(('reason__in', ['top_up', 'pool_funding', 'voucher_issue', 'hold', 'capture', 'release', 'shortfall', 'refund', 'reversal'])), name='transfer_reason_known')],
            },
        ),
    ]
