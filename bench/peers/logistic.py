"""Logistic regression of scikit-learn: logistic.py FEATURES.npy LABELS.npy C SOLVER TOLERANCE

Features are standardised first, as LlmEmbed does it. Prints {"seconds", "objective", "iterations", "blas"}; reading the files is not timed. The objective is
C * sum of negative log likelihoods + |w|^2 / 2, over standardised features.
"""

import json
import sys
import time
import warnings

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

features_file, labels_file, c, solver, tolerance = sys.argv[1:]
features, labels = numpy.load(features_file), numpy.load(labels_file)
warnings.simplefilter("ignore")

start = time.perf_counter()
scaled = StandardScaler().fit_transform(features)
model = LogisticRegression(C=float(c), solver=solver, tol=float(tolerance), max_iter=2000).fit(scaled, labels)
seconds = time.perf_counter() - start

margins = (scaled.astype(numpy.float64) @ model.coef_[0].astype(numpy.float64) + model.intercept_[0]) * numpy.where(labels == model.classes_[1], 1, -1)
objective = float(c) * numpy.logaddexp(0, -margins).sum() + 0.5 * float((model.coef_.astype(numpy.float64) ** 2).sum())
blas = next((library["internal_api"] for library in threadpool_info() if library["user_api"] == "blas"), "reference BLAS")
print(json.dumps({"seconds": seconds, "objective": objective, "iterations": int(model.n_iter_[0]), "blas": blas}))
