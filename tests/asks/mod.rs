//! What users ask for and complain about, one story for each of the 54 entries of `docs/asks.md`: files, clock and answers of
//! providers in; states, severities, exit codes and messages out. Each story asserts the truth *and* that the false alarm or
//! the false "ok" it is about does not come back.

mod files;
mod home;
mod table;

mod benched_by_the_gateway;
mod ends_without_a_word;
mod logged_in_again;
mod refreshed_twice;
mod says_ok_while_dead;
mod the_server_decides;
