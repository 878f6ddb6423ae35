#!/usr/bin/env python3
import multiprocessing

with multiprocessing.Pool(3) as pool:
    assert sum(pool.map(abs, range(-50, 50))) == 2500
