"""Inverse reinforcement learning: the reward that explains demonstrated routes, by maximum entropy.

Equations and algorithms are those of Ziebart, Maas, Bagnell & Dey (2008), *Maximum Entropy
Inverse Reinforcement Learning*; `docs/algorithms/maxent_irl.md` has each beside its line. It is
NumPy and SciPy in float64; nothing here acts in an environment or needs TensorFlow.

In shapes, S is the number of states, A that of actions, E that of edges (an action with one of the
states that it may lead to) and K that of features. A route is an array of edges. A reward is
`features @ theta`; a cost is a reward's negative.
"""
