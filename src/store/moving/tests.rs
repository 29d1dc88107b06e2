//! What comes of a target that does not keep what it was given.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

/// Opt-outs in memory.
#[derive(Clone, Default)]
struct Optouts {
    rows: Vec<Vec<Value>>,
    /// What becomes of them once all are written.
    fault: Option<fn(&mut Vec<Vec<Value>>)>,
    is_kept: Rc<Cell<bool>>,
}

impl Optouts {
    fn of(numbers: &[&str]) -> Self {
        let row = |number: &&str| vec![Value::Text((*number).to_owned()), Value::Integer(-1)];
        let rows = numbers.iter().map(row).collect();
        Self {
            rows,
            ..Self::default()
        }
    }
}

impl Source for Optouts {
    fn count(&self, _table: Table) -> Result<u64, MoveError> {
        Ok(self.rows.len() as u64)
    }

    fn each(&self, table: Table, each: EachRow<'_>) -> Result<(), MoveError> {
        let rows = self.rows.iter().filter(|_| table == Table::Optouts);
        rows.map(Vec::as_slice).try_for_each(each)
    }
}

impl Target for Optouts {
    fn write(&mut self, _table: Table, row: &[Value]) -> Result<(), MoveError> {
        self.rows.push(row.to_vec());
        Ok(())
    }

    fn finish(&mut self, _table: Table) -> Result<(), MoveError> {
        Ok(())
    }

    fn count_anew(&mut self) -> Result<(), MoveError> {
        if let Some(fault) = self.fault {
            fault(&mut self.rows);
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), MoveError> {
        self.is_kept.set(true);
        Ok(())
    }
}

/// What comes of two opt-outs in a target with a fault, and whether they are kept.
fn moved(fault: Option<fn(&mut Vec<Vec<Value>>)>) -> (Result<Moved, MoveError>, bool) {
    let target = Optouts {
        fault,
        ..Optouts::default()
    };
    let is_kept = Rc::clone(&target.is_kept);
    let source = Optouts::of(&["15550000000", "15550000001"]);
    let moved = transfer(&source, Box::new(target), &mut |_| {});
    (moved, is_kept.get())
}

#[test]
fn a_target_that_has_what_was_sent_is_kept() {
    let (moved, is_kept) = moved(None);
    let optouts = moved
        .expect("moved")
        .into_iter()
        .find(|(table, _)| *table == "optouts");
    assert_eq!(optouts.expect("told of").1.rows, 2);
    assert!(is_kept);
}

#[test]
fn a_target_that_lost_or_changed_a_row_is_not_kept() {
    let faults: [fn(&mut Vec<Vec<Value>>); 5] = [
        |rows| rows.clear(),
        |rows| rows.push(rows[0].clone()),
        |rows| rows.reverse(),
        |rows| rows[1][1] = Value::Integer(0),
        |rows| rows[1][1] = Value::Null,
    ];
    for fault in faults {
        let (moved, is_kept) = moved(Some(fault));
        let error = moved.expect_err("refused");
        assert!(
            matches!(
                error,
                MoveError::Differs {
                    table: "optouts",
                    ..
                }
            ),
            "{error}"
        );
        assert!(!is_kept);
    }
}

#[test]
fn no_two_rows_are_hashed_alike() {
    let text = |text: &str| Value::Text(text.to_owned());
    let rows = [
        vec![text("ab"), text("c")],
        vec![text("a"), text("bc")],
        vec![text("ab"), Value::Bytes(b"c".to_vec())],
        vec![text("ab"), Value::Null],
        vec![text("ab"), text("")],
        vec![text("ab"), Value::Integer(0)],
    ];
    let sums = rows.iter().map(|row| {
        let mut summing = Summing::default();
        summing.add(row);
        summing.sum().sha256
    });
    let mut sums: Vec<String> = sums.collect();
    sums.sort();
    sums.dedup();
    assert_eq!(sums.len(), rows.len());
}
