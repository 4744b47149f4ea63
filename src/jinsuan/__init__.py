"""Jinsuan 晋算: computing power, its metering, vouchers and grants. Imports go down, never up."""
