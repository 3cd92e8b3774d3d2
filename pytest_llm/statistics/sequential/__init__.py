"""Deciding before all is seen: what the units of a fixed data set that were drawn so far say about all of them.

The data set is finite, its units (documents, or clusters of them) have known sizes, and we choose the order: each next unit is
drawn among those left with probability proportional to its size. The only randomness is that draw, so that no assumption
about the text is made, and what is claimed holds at every look, however often and for whatever reason one looks.

    drawing               the order
    confidence_sequence   where the mean lies; asymptotic, blind to what is rare
    betting               whether the total can still be on the wrong side; exact, wants to know how bad a unit can be
    hypergeometric        both of these for units that are right or wrong; exact

With sizes wᵢ, totals zᵢ of the units and W = Σ wᵢ, the unit drawn next has, given those before it, the mean

    E[z/w | past] = (Σ z − Σ_seen z) / (W − Σ_seen w)

which is all that the proofs need (Shekhar et al. 2023, arXiv 2305.06884, for audits; with equal sizes Waudby-Smith & Ramdas 2020,
arXiv 2006.04347). Drawn so, a unit's size does not multiply its mistakes: documents of all lengths can be units.
"""
