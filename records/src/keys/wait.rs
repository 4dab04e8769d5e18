//! Waiting until every transaction that is open now has ended.

use std::time::Duration;

use sqlx::PgConnection;

use super::RotateError;
use crate::Records;

/// Between looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The longest wait. Requests are cut off long before; this is a session that somebody left open.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// Returns when all transactions of the app's role that are open at this moment have ended. Whatever was committed
/// before the call is seen by all that are open after it.
pub(super) async fn for_older_transactions(records: &Records) -> Result<(), RotateError> {
    let mut connection = records.single().await?;
    let older = open_now(&mut connection).await?;
    until_ended(&mut connection, &older).await
}

async fn until_ended(connection: &mut PgConnection, older: &[String]) -> Result<(), RotateError> {
    let began = tokio::time::Instant::now();
    loop {
        let still = open_now(connection).await?.into_iter().filter(|one| older.contains(one)).count();
        if still == 0 {
            return Ok(());
        }
        if began.elapsed() > GIVE_UP_AFTER {
            return Err(RotateError::OpenTransaction(still));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn open_now(connection: &mut PgConnection) -> Result<Vec<String>, crate::Error> {
    let open = sqlx::query_scalar!(
        r#"SELECT l.virtualtransaction AS "open!" FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
           WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
             AND a.usename = current_user AND a.datname = current_database() AND l.pid <> pg_backend_pid()"#
    )
    .fetch_all(connection)
    .await?;
    Ok(open)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use futures_util::poll;
    use time::OffsetDateTime;
    use visit::ClinicId;

    use super::*;
    use crate::testing::TestDatabase;
    use crate::{Pending, RequestContext};

    #[tokio::test]
    async fn a_transaction_that_was_open_is_waited_for_and_a_later_one_is_not() {
        let db = TestDatabase::new().await;
        let records = db.records();
        let context = || RequestContext::system("test", ClinicId(uuid::Uuid::nil()), OffsetDateTime::UNIX_EPOCH);
        let mut look = records.single().await.unwrap();
        let older = records.begin(context()).await.unwrap();
        let open = open_now(&mut look).await.unwrap();
        assert_eq!(open.len(), 1, "also one that has written nothing");
        let _later = records.begin(context()).await.unwrap();
        let mut other = records.single().await.unwrap();
        {
            let mut waiting = std::pin::pin!(until_ended(&mut look, &open));
            for _ in 0..20 {
                assert!(poll!(&mut waiting).is_pending());
                assert!(open_now(&mut other).await.unwrap().contains(&open[0]));
            }
        }
        older.commit(Pending(())).await.unwrap();
        until_ended(&mut other, &open).await.unwrap();
    }
}
