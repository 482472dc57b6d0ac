"""Which tracklets are one person: cues, calibration, hard constraints, clustering, evidence.

``pipeline.association.associate.associate`` puts the modules together:

table        tracklets as arrays in one canonical order
appearance   part distances between tracklets, candidate pairs
calibration  distance -> log-likelihood ratio, learnt without labels
motion       does one tracklet of a camera go on where another ended
space_time   lags under a transition model
exclusions   pairs that cannot be one person, pairs that must be
consequences rivals, prior and derived cues: what follows from all pairs together
scoring      all cues of all candidate pairs, in natural-log units
decoys       pairs that cannot be one person, judged as if they could
worth        what the sum of the cues is worth: the probability that is printed
clustering   identities that raise the total evidence and break no constraint
evidence     links and global tracks as records
corrections  what a person declared
inherit      old global ids for new identities
"""
