-- completed, stuck (nothing will happen without a person) or going.
-- variable: campaign

SELECT CASE WHEN c.status = 'completed' THEN 'completed'
            WHEN NOT EXISTS (SELECT FROM vibe.work AS w
                              WHERE w.campaign_id = c.id AND (w.state <> 'waiting' OR w.waiting_for = 'back_off')) THEN 'stuck'
            ELSE 'going' END
  FROM vibe.campaigns AS c
 WHERE c.id = :campaign;
