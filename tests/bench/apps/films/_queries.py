"""What the applications ask the database, with ``{}`` for the driver's way to name a parameter."""

from __future__ import annotations

import os

DATABASE = os.environ["BENCH_DATABASE"]
# As many threads as connections, so that neither waits for the other.
THREADS = int(os.environ["BENCH_THREADS"])

FILM = """
SELECT film.film_id, film.title, film.description, film.release_year, film.length, film.rating,
       language.name AS language,
       (SELECT array_agg(category.name ORDER BY category.name)
          FROM film_category JOIN category USING (category_id)
         WHERE film_category.film_id = film.film_id) AS categories,
       (SELECT array_agg(actor.first_name || ' ' || actor.last_name ORDER BY actor.actor_id)
          FROM film_actor JOIN actor USING (actor_id)
         WHERE film_actor.film_id = film.film_id) AS actors
  FROM film JOIN language USING (language_id)
 WHERE film.film_id = {}
"""
FILMS = "SELECT film_id, title, release_year, rating FROM film ORDER BY title"
REVIEW = "INSERT INTO review (film_id, rating) VALUES ({}, {}) RETURNING review_id"
