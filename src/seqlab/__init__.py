"""A sequence-modelling lab: train, compare, look inside and check recurrent nets and their rivals."""
